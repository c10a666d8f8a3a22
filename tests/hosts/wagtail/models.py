"""An article: text, lead forms and content upgrades, and a topic."""

from wagtail.admin.panels import FieldPanel
from wagtail.blocks import RichTextBlock
from wagtail.fields import StreamField
from wagtail.models import Page

from retarget_plugin.contrib.wagtail.blocks import ContentUpgradeBlock, LeadFormBlock
from retarget_plugin.contrib.wagtail.topics import TopicMixin


class ArticlePage(TopicMixin, Page):
    body = StreamField(
        [("text", RichTextBlock()), ("lead_form", LeadFormBlock()), ("upgrade", ContentUpgradeBlock())], blank=True
    )

    content_panels = [*Page.content_panels, FieldPanel("body")]
    promote_panels = [*Page.promote_panels, *TopicMixin.topic_panels]
    template = "site/article.html"


class BarePage(Page):
    """A page without the script, whose topic is none of an editor's business."""

    retarget_topic = "lenses"
    template = "site/bare.html"
