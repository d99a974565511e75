"""What the memory keeps on disk: rows behind the Repository protocol, and whole generations in a folder."""
