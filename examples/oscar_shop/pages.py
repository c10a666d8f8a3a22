"""The shop's front page and its product lists."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from oscar.core.loading import get_model


def home(request: HttpRequest) -> HttpResponse:
    shelves = [(shelf, list(_products().filter(categories=shelf))) for shelf in _categories()]
    return render(request, "shop/home.html", {"shelves": shelves})


def catalogue(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/shelf.html", {"shelf": None, "shelves": _categories(), "products": _products()})


def category(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    shelf = get_object_or_404(_categories(), pk=pk)
    if request.path != shelf.get_absolute_url():
        return redirect(shelf)
    products = _products().filter(categories=shelf)
    return render(request, "shop/shelf.html", {"shelf": shelf, "shelves": _categories(), "products": products})


def _categories() -> Any:
    return get_model("catalogue", "Category").objects.browsable().order_by("path")


def _products() -> Any:
    return get_model("catalogue", "Product").objects.browsable().base_queryset().order_by("-priority", "pk")
