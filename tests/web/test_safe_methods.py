"""Mail scanners, previewers and prefetching browsers follow every link. They change nothing and are not counted."""

from itertools import product

import pytest
from django.urls import reverse

from retarget_plugin.models import Click
from tests.promises import length
from tests.web import addresses

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
    "Mozilla/5.0 (compatible; DotBot/1.2; +https://opensiteexplorer.org/dotbot)",
    "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
    "Mozilla/5.0 (compatible; PetalBot; +https://webmaster.petalsearch.com/site/petalbot)",
    "Mozilla/5.0 (compatible; SeznamBot/4.0; +https://o-seznam.cz/napoveda/vyhledavani/en/seznambot-crawler/)",
    "Mozilla/5.0 (compatible; Qwantify-prod/1.0; +https://help.qwant.com/bot/)",
    "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    "Mozilla/5.0 (compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
    "Mozilla/5.0 (compatible; Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)",
    "Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "ia_archiver-web.archive.org crawler",
    "Pinterestbot/1.0",
    "redditbot/1.0",
    "Viber/20.1 (preview)",
    "Mozilla/5.0 (compatible; Mastodon-Preview/4.2; +https://social.example/)",
    "Embedly/0.2 crawler (+http://support.embed.ly/)",
    "Iframely/1.3.1 preview (+https://iframely.com/docs/about)",
    "Googlebot-Image/1.0",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mozilla/5.0 (compatible; Google-Read-Aloud; crawler)",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share) preview",
    "Symantec.cloud URL scanner",
    "SafeLinks-Scan/1.0",
    "Mimecast-Attachment-Scan/2",
    "Barracuda-LinkProtect/1.1",
    "Cisco-Talos-Scanner/1.0",
    "Fortinet-FortiMail-URL-Scanner/7.4",
    "Trend Micro URL Scanner",
    "WithSecure-Mail-Scan/1.0",
    "Bitdefender-Mail-Scanner/6",
    "Avast-Mail-Scanner/22",
    "ESET-Mail-Scanner/9",
    "Vade-Secure-Spider/3",
    "Hornetsecurity-URL-Scanner/1",
    "Rspamd-URL-Scanner/3.8",
    "SpamAssassin-URL-Scan/4.0",
    "urlscan.io/1.0",
    "Mozilla/5.0 (compatible; VirusTotal-Scanner)",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
    "python-httpx/0.27.0",
    "Scrapy/2.11 crawler (+https://scrapy.org)",
    "python-urllib3/2.2.1",
    "Go-http-client/1.1",
    "okhttp/3.14.9",
    "node-fetch",
    "Site24x7 monitor",
    "StatusCake uptime",
]
# Scanners that pretend to be somebody's browser, or only wish to be early.
DISGUISED = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
]
PREFETCH = {"sec-purpose": "prefetch;prerender"}
VISITS = ({}, PREFETCH, {"authorization": "Bearer t0ken"})
#: Addresses that have nothing for anybody's GET.
POST_ONLY = {"beacon", "graphql", "graphql_staff", "receipts", "saleor_register", "saleor_webhooks"}
FOR_STAFF = {"graphql_staff", "saleor_report", "saleor_switch"}


METHODS = ("get", "head", "options")


@pytest.fixture
def places(settings, link, cart, message, products):
    saleor = {
        "BACKEND": "retarget_plugin.hosts.saleor.SaleorHost",
        "OPTIONS": {"api_url": "http://127.0.0.1:1/graphql/"},
    }
    changed = {"HEALTH_TOKEN": "t0ken", "HOSTS": {**settings.RETARGET["HOSTS"], "saleor": saleor}}
    settings.RETARGET = settings.RETARGET | changed
    return addresses.public(cart, message, link)


def test_the_agents_are_a_hundred():
    assert len({*NAMED, *DISGUISED}) == 100


def test_every_public_address_is_among_those_that_are_visited(places):
    assert set(places) == addresses.names()


def test_the_addresses_are_of_pages_that_open(client, places):
    """Else the tests below would look at nothing but errors."""
    statuses = {}
    for name, urls in places.items():
        for url in urls:
            statuses[url] = (name, client.get(url, headers={"authorization": "Bearer t0ken"}).status_code)

    refused = {name for name, status in statuses.values() if status not in {200, 204, 302, 304}}
    assert refused <= POST_ONLY | FOR_STAFF


@pytest.mark.promise
@pytest.mark.timeout(length(120, 0))
def test_no_visit_changes_consent_carts_orders_or_logins(client, places, promise):
    """Each agent at each address in each way; the short form takes one visit in 17, in which all of them still occur."""
    urls, agents = [url for urls in places.values() for url in urls], [*NAMED, *DISGUISED]
    visits = list(product(agents, urls, METHODS, VISITS))[:: length(17, 1)]
    before, count = addresses.rows(), 0

    for agent, url, method, headers in visits:
        response = getattr(client, method)(url, headers={"user-agent": agent, **headers})
        assert response.status_code < 500, (method, url, agent)
        count += 1

    changed = [name for name, rows in addresses.rows().items() if rows != before[name]]
    promise(
        "X6",
        run=f"{count:,} GET, HEAD and OPTIONS by {len(agents)} agents at {len(urls)} addresses, also prefetching",
        figure=f"kinds of rows changed: {', '.join(changed) or 0}",
        bar="0",
        holds=changed == [] and set(client.cookies) <= {"csrftoken"},
    )


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


def test_public_pages_answer_in_a_shop_that_asks_everybody_to_log_in(client, settings, places):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    settings.LOGIN_URL = "/log-in/"

    answers = {
        url: client.get(url, headers={"authorization": "Bearer t0ken"})
        for name, urls in places.items()
        if name not in FOR_STAFF
        for url in urls
    }
    stopped = client.post(places["unsubscribe"][0])

    assert [url for url, answer in answers.items() if "/log-in/" in answer.headers.get("Location", "")] == []
    assert stopped.status_code == 200
