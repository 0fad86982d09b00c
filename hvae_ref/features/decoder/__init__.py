"""From features back to pixels."""
