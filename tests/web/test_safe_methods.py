"""Mail scanners, previewers and prefetching browsers follow every link. They change nothing and are not counted."""

import pytest
from django.urls import reverse

from retarget_plugin.models import Click
from tests.web.conftest import kept_rows

# Machines that say so, as mail gateways, chat programs and search engines have been seen to.
NAMED = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0 A",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
    "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))",
    "BarracudaCentral/1.0",
    "Mimecast-URL-Protect/1.0",
    "Mozilla/5.0 (Proofpoint URL Defense)",
    "Cisco-Email-Security/1.0",
    "TrendMicro-WTP/1.0",
    "Sophos-URL-Scanner/2",
    "Forcepoint-Email/8.5",
    "FireEye-URL-Analysis/1.0",
    "Zscaler-Sandbox/6.2",
    "KasperskyLab-MailScan/1.0",
    "SymantecMailSecurity MessageLabs/1.0",
    "curl/8.9.1",
    "Wget/1.24.5",
    "python-requests/2.32.3",
    "Python-urllib/3.11",
    "aiohttp/3.10 Python/3.11",
    "Java/17.0.2",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "axios/1.7.2",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "libwww-perl/6.72",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "",
]
# Scanners that pretend to be somebody's browser, or only wish to be early.
DISGUISED = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
]
PREFETCH = {"sec-purpose": "prefetch;prerender"}


@pytest.fixture
def public_urls(settings, link, recover_url, unsubscribe_url):
    settings.RETARGET = settings.RETARGET | {"HEALTH_TOKEN": "t0ken"}
    return [
        reverse("retarget_plugin:short_link", args=[link.code]),
        recover_url,
        unsubscribe_url,
        f"{unsubscribe_url}?from=page",
        reverse("retarget_plugin:health"),
    ]


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_no_visit_changes_consent_carts_orders_or_logins(client, public_urls, products, method):
    before = kept_rows()

    for agent in NAMED + DISGUISED:
        for url in public_urls:
            for headers in ({}, PREFETCH, {"authorization": "Bearer t0ken"}):
                response = getattr(client, method)(url, headers={"user-agent": agent, **headers})
                assert response.status_code in {200, 302, 404, 405}

    assert kept_rows() == before
    assert set(client.cookies) <= {"csrftoken"}


@pytest.mark.parametrize("method", ["get", "head"])
def test_machines_are_kept_and_not_counted(client, link, message, method):
    url = reverse("retarget_plugin:short_link", args=[link.code])

    for agent in NAMED:
        getattr(client, method)(url, headers={"user-agent": agent})
    for agent in DISGUISED:
        getattr(client, method)(url, headers={"user-agent": agent, **PREFETCH})

    message.refresh_from_db()
    assert list(Click.objects.values_list("is_human", flat=True)) == [False] * (len(NAMED) + len(DISGUISED))
    assert message.clicked_at is None


def test_public_pages_answer_in_a_shop_that_asks_everybody_to_log_in(client, settings, public_urls):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    settings.LOGIN_URL = "/log-in/"
    short, *pages, health = public_urls

    leads_to = client.get(short).headers["Location"]
    statuses = [client.get(url).status_code for url in pages]
    asked = client.get(health, headers={"authorization": "Bearer t0ken"}).status_code
    stopped = client.post(public_urls[2]).status_code

    assert leads_to == "https://shop.example.com/retarget/recover/abc/"
    assert statuses == [200, 200, 200]
    assert (asked, stopped) == (200, 200)
