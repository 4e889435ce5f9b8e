"""What a filter can import: a module for each permission."""
