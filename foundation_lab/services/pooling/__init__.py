"""What connection pools are made of: links, their ageing, their checks, and who opens them."""
