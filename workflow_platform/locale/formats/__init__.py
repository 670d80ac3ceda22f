"""What a language changes of Django's formats."""
