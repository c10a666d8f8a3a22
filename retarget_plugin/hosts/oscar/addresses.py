"""Absolute URLs outside a request."""

from __future__ import annotations

from urllib.parse import urljoin

from django.conf import settings
from django.contrib.sites.models import Site
from django.core.exceptions import ImproperlyConfigured

from retarget_plugin.exceptions import ConfigurationError


def origin(base_url: str = "") -> str:
    """Scheme and host of the storefront. Raises ConfigurationError when neither option nor Site can tell."""
    if base_url:
        return base_url
    try:
        domain = Site.objects.get_current().domain
    except (ImproperlyConfigured, Site.DoesNotExist) as error:
        raise ConfigurationError(
            'No site to build links from: set SITE_ID, or "base_url" in the OPTIONS of the django-oscar host.'
        ) from error
    return f"{getattr(settings, 'OSCAR_URL_SCHEMA', 'http')}://{domain}"


def absolute(path: str, *, base: str) -> str:
    """`path` below `base`; a URL that is absolute already (media on another host) stays as it is."""
    return urljoin(base, path) if path else ""
