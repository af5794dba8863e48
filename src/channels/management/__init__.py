"""Management: what ``manage.py`` runs."""
