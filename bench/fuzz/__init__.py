"""What reads bytes that strangers or accidents may have written, fed with broken ones."""
