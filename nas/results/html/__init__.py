"""The report as one HTML file: values of the page in small modules, markup in `templates/`, joined by `page.py`."""
