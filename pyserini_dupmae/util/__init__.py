"""What every room uses and what knows nothing of them: errors, commands, logging, files, resuming, libraries."""
