"""Found by Django by their module names."""
