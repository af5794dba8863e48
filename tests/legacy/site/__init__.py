"""A site as it was written in 2016: six small applications, on nothing but the public names."""
