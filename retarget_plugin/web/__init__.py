"""Floor 5: the public pages and endpoints that messages lead to, and the operator's health page."""
