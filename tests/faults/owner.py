"""The owner at the admin's list of messages, in a process of their own.

`python -m tests.faults.owner` prints what the list says; with `release` the owner presses that button of every message that is
set aside.
"""

from __future__ import annotations

import os
import sys

import django


def look() -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    from retarget_plugin.models import Message

    client = Client()
    client.force_login(get_user_model().objects.create_superuser(f"owner{os.getpid()}", password="unused"))
    print(client.get("/admin/retarget_plugin/message/").content.decode())
    if "release" in sys.argv:
        for key in list(Message.objects.filter(state="quarantined").values_list("pk", flat=True)):
            answer = client.post(f"/admin/retarget_plugin/message/{key}/release/")
            assert answer.status_code == 302, answer.content


if __name__ == "__main__":
    django.setup()
    look()
