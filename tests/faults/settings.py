"""Settings of the worker processes: the suite's own, on a database and with a mail server that outlive a process."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import MAILERS, RETARGET, database

DATABASES = {"default": database(os.environ["RETARGET_FAULTS_DATABASE_URL"])}
# Every Django still reads EMAIL_*, but from 6.1 on not beside MAILERS.
del MAILERS
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = "127.0.0.1", int(os.environ["RETARGET_FAULTS_SMTP_PORT"]), 5
# FakeHost holds nothing in a new process; the tiny shop's carts are rows.
RETARGET = {**RETARGET, "LEASE_SECONDS": 3, "BATCH_SIZE": 10}
