"""The e-book that the shop gives for an address, and the two forms that offer it."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO

from django.core.files.base import ContentFile
from PIL import Image, ImageDraw, ImageFont

from retarget_plugin.domain.leads import Ask, FormKind
from retarget_plugin.models import LeadForm, Magnet, MagnetFile, Shop

from .journal import MACRO
from .pictures import INK, picture

PAGE = (1240, 1754)
WHITE = (255, 255, 255)
CHAPTERS = (
    ("Light", "A sheet of white paper on the shaded side\ndoes more than any setting."),
    ("Distance", "60 mm brings you within a hand.\n90 mm leaves room for the bee to stay."),
    ("Patience", "Take ten pictures of one thing.\nThe seventh is the one you keep."),
)

GIFT = {
    "en": {"title": "Close Up, the short guide", "text": "Light, distance and patience, on four pages."},
    "fr": {"title": "De près, le petit guide", "text": "Lumière, distance et patience, en quatre pages."},
    "es": {"title": "De cerca, la guía breve", "text": "Luz, distancia y paciencia, en cuatro páginas."},
}
BOX = {
    "en": "Yes, Lumen may e-mail me news and offers. I can stop at any time with the link in every e-mail.",
    "fr": "Oui, Lumen peut m’écrire des nouvelles et des offres. Chaque e-mail contient un lien pour arrêter.",
    "es": "Sí, Lumen puede enviarme novedades y ofertas. Cada correo lleva un enlace para dejarlo.",
}
DONE = {
    "en": "Look into your mailbox: one press on the button in our e-mail, and the guide is yours.",
    "fr": "Regardez votre boîte : un clic sur le bouton de notre e-mail, et le guide est à vous.",
    "es": "Mire su correo: pulse el botón de nuestro mensaje y la guía es suya.",
}
POPUP = {
    "en": {
        "title": "Before you go: get closer",
        "text": "Our short guide to close-ups is free.",
        "button": "Send me the guide",
    },
    "fr": {
        "title": "Avant de partir : approchez",
        "text": "Notre petit guide de la macro est offert.",
        "button": "Recevoir le guide",
    },
    "es": {
        "title": "Antes de irse: acérquese",
        "text": "Nuestra guía breve de macrofotografía es gratis.",
        "button": "Recibir la guía",
    },
}
INLINE = {
    "en": {"title": "Take it with you", "text": "This article as a guide of four pages.", "button": "Send it to me"},
    "fr": {"title": "À emporter", "text": "Cet article en un guide de quatre pages.", "button": "Me l’envoyer"},
    "es": {"title": "Para llevar", "text": "Este artículo en una guía de cuatro páginas.", "button": "Enviármela"},
}


def offer(shop: Shop, *, now: datetime) -> None:
    """Makes the magnet and its forms where they are missing; what an owner changed stays."""
    magnet, is_new = Magnet.objects.get_or_create(
        shop=shop,
        slug="close-up",
        defaults={"name": "Close Up (PDF)", "kind": "files", "topic": MACRO, "texts": GIFT, "created_at": now},
    )
    if is_new:
        book = ContentFile(pdf(), name="close-up.pdf")
        MagnetFile.objects.create(magnet=magnet, file=book, name="Close Up.pdf", size=book.size)
    common = {"magnet": magnet, "is_on": True, "consents": ["email"], "created_at": now}
    popup = {
        "name": "Pop-up: the guide",
        "kind": FormKind.POPUP,
        "texts": texts(POPUP),
        "first_name": Ask.OPTIONAL,
        "on_exit": True,
        "scroll_percent": 80,
        # Who is about to buy or to log in is not to be disturbed, in any language.
        "paths": "!*/checkout/*\n!*/basket/*\n!*/accounts/*\n!*/stay-in-touch/*\n!*/journal/*",
    }
    inline = {"name": "Articles: the guide", "kind": FormKind.INLINE, "texts": texts(INLINE), "topic": MACRO}
    LeadForm.objects.get_or_create(shop=shop, slug="guide", defaults={**common, **popup})
    LeadForm.objects.get_or_create(shop=shop, slug="macro-letter", defaults={**common, **inline})


def texts(words: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The words of a form in every language, with the box and the thanks that both forms share."""
    return {code: {**own, "done": DONE[code], "consent_email": BOX[code]} for code, own in words.items()}


def pdf() -> bytes:
    """A cover and three pages."""
    cover = Image.new("RGB", PAGE, WHITE)
    drawn = Image.open(BytesIO(picture("book", colour=(38, 86, 92), label="CLOSE\nUP")))
    cover.paste(drawn.resize((PAGE[0], PAGE[0])), (0, 200))
    pages = [chapter(number, *words) for number, words in enumerate(CHAPTERS, 1)]
    stream = BytesIO()
    cover.save(stream, "PDF", save_all=True, append_images=pages, resolution=150, title="Close Up")
    return stream.getvalue()


def chapter(number: int, title: str, text: str) -> Image.Image:
    page = Image.new("RGB", PAGE, WHITE)
    pen = ImageDraw.Draw(page)
    pen.text((140, 300), str(number), fill=(180, 84, 47), font=ImageFont.load_default(64))
    pen.text((140, 400), title, fill=INK, font=ImageFont.load_default(110))
    pen.multiline_text((140, 620), text, fill=INK, font=ImageFont.load_default(48), spacing=24)
    return page
