"""Parts that all web pages share: the visit, forms, templates, the menu."""
