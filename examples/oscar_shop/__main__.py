"""`./run demo`: opens the shop, tells its two stories, and keeps the shop running to be looked at."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .inbox import Inbox, free_port

if TYPE_CHECKING:
    from .clock import Clock
    from .story import Story

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the stories; status 0 only if every stage held")
    parser.add_argument("--port", type=int, default=8000, help="port of the shop (8000); another one if it is taken")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of its database and pictures, emptied first (.demo; with --exit, one that goes)",
    )
    arguments = parser.parse_args()
    port, and_exit = free_port(arguments.port), arguments.exit
    if and_exit and arguments.data is None:
        with tempfile.TemporaryDirectory(prefix="retarget-demo-", ignore_cleanup_errors=True) as folder:
            return run(Path(folder), port=port, and_exit=True)
    data = (arguments.data or ROOT / ".demo").resolve()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    return run(data, port=port, and_exit=and_exit)


def run(data: Path, *, port: int, and_exit: bool) -> int:
    inbox = Inbox().open(port=8025)
    url = f"http://127.0.0.1:{port}"
    os.environ.update(
        DJANGO_SETTINGS_MODULE="examples.oscar_shop.settings",
        RETARGET_DEMO_DATA=str(data),
        RETARGET_DEMO_URL=url,
        RETARGET_DEMO_SMS_URL=f"{inbox.url}/sms",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=str(inbox.smtp_port),
    )
    print("Opening the shop ...", flush=True)
    began = time.monotonic()
    prepare()

    from retarget_plugin.engine import hours
    from retarget_plugin.models import Contact, Shop

    from .abandoned_checkout import PHONE
    from .clock import StoryClock
    from .server import serve

    shop, shopper = Shop.objects.get(), Contact(phone=PHONE.replace(" ", ""))
    clock = StoryClock(lambda morning: hours.next_allowed(shopper, shop, "sms", now=morning).at == morning)
    try:
        with serve(port) as server:
            held = tell(server.url, inbox, clock)
            print(
                f"\n{'Both stories hold' if held else 'The story broke'} ({time.monotonic() - began:.0f} s).",
                flush=True,
            )
            if not and_exit:
                keep_open(server.url, inbox)
            return 0 if held else 1
    finally:
        clock.stop()
        inbox.close()


def prepare() -> None:
    """An empty database, the plugin's and the shop's tables, the catalogue, and what the owner would fill in."""
    import django
    from django.core.management import call_command
    from django.utils import timezone

    django.setup()
    call_command("migrate", verbosity=0)

    from . import catalogue, guide, journal

    catalogue.create(os.environ["RETARGET_DEMO_URL"])

    from retarget_plugin.engine import reconcile
    from retarget_plugin.models import Shop

    Shop.objects.update(
        name="Lumen",
        base_url=os.environ["RETARGET_DEMO_URL"],
        country="FR",
        time_zone="Europe/Paris",
        sender_name="Lumen",
        sender_email="hello@lumen.example",
        sms_sender="LUMEN",
        postal_address="12 rue de la Lumière, 69001 Lyon, France",
        support_email="help@lumen.example",
        support_phone="+33 4 72 00 00 00",
        free_shipping_from=50,
        delivery_days=2,
    )
    shop, now = Shop.objects.get(), timezone.now()
    journal.open_for(shop)
    guide.offer(shop, now=now)
    # As a runner does when it starts: it gets to know the catalogue.
    reconcile.run(now=now)


def tell(url: str, inbox: Inbox, clock: Clock) -> bool:
    """Both stories, the one of two months first: then the links of the other are still good. False if a stage does not hold."""
    from .abandoned_checkout import AbandonedCheckout
    from .camera_buyer import CameraBuyer

    return all(play(kind(url=url, inbox=inbox, clock=clock)) for kind in (CameraBuyer, AbandonedCheckout))


def play(story: Story) -> bool:
    """Print each stage as it holds; False at the first that does not."""
    from .shopper import ShopperError
    from .story import StageFailed

    number = 0
    print(f"\n{story.name}", flush=True)
    try:
        for number, stage in enumerate(story.stages(), 1):
            print(f"\n{number:2}. {stage.title}\n    {story.clock.shown}  {stage.address}", flush=True)
    except (StageFailed, ShopperError) as failure:
        print(f"\n{number + 1:2}. FAILED: {failure}", file=sys.stderr, flush=True)
        return False
    finally:
        story.close()
    return True


def keep_open(url: str, inbox: Inbox) -> None:
    """Until Ctrl-C. The tick goes on, so what a visitor does is answered."""
    from django.urls import reverse

    from retarget_plugin.engine import tick
    from retarget_plugin.models import Shop
    from retarget_plugin.models.clock import database_now

    from .catalogue import OWNER, PASSWORD

    report = reverse("admin:retarget_plugin_shop_report_of", args=[Shop.objects.get().pk])
    print(
        f"\nHave a look around (Ctrl-C ends the demo):\n"
        f"  Storefront  {url}/\n"
        f"  Admin       {url}/admin/        user {OWNER}, password {PASSWORD}\n"
        f"  Report      {url}{report}?days=90\n"
        f"  Dashboard   {url}{reverse('retarget_dashboard:report')}\n"
        f"  Mailbox     {inbox.url}/",
        flush=True,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(5):
        tick.once(now=database_now())


if __name__ == "__main__":
    sys.exit(main())
