"""The django-oscar host in a real Oscar project, driven over Oscar's own views.

    pytest tests/hosts/oscar --ds=tests.settings_oscar

The apps of Oscar need settings of their own, so this folder is collected only under those.
"""
