"""Lumen, a camera shop on django-oscar with retarget_plugin installed: what `./run demo` runs."""
