# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site that tools/docs builds."""

from docutils.nodes import reference

project = "bramble.kube"
copyright = "bramble.kube contributors"
html_title = "bramble.kube"
html_theme = "furo"
#: The reference's tables in the theme's colours, which are right in the dark too; their own are for white paper.
TABLES = {
    **dict.fromkeys(("links-background", "links-background-active", "links-focus-outline"), "brand-primary"),
    **dict.fromkeys(("option-required", "option-default"), "brand-content"),
    **dict.fromkeys(("attribute-support-none", "attribute-support-partial"), "brand-content"),
    **dict.fromkeys(
        ("option-type", "option-elements", "option-aliases", "option-version-added"), "foreground-secondary"
    ),
    **dict.fromkeys(("option-sample", "option-sample-header", "attribute-support-full"), "foreground-primary"),
    **dict.fromkeys(("deprecation-border", "deprecation-color"), "foreground-primary"),
    **dict.fromkeys(("table-background-odd", "links-text"), "background-primary"),
    **dict.fromkeys(
        ("table-background-even", "narrowtable-background", "deprecation-background"), "background-secondary"
    ),
    "table-background-header": "table-header-background",
    "table-border": "table-border",
}
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#a5103c",
        "color-brand-content": "#a5103c",
        **{f"antsibull-{name}": f"var(--color-{colour})" for name, colour in TABLES.items()},
    },
    "dark_css_variables": {"color-brand-primary": "#ff7a9c", "color-brand-content": "#ff7a9c"},
}
html_show_sphinx = False
html_copy_source = False
extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 4  # the anchors that a Git host makes, by which pages link to each other
highlight_language = "none"  # blocks that say no language are drawings
pygments_style = "friendly"
pygments_dark_style = "github-dark"

ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
#: What the reference links to in Ansible's own documentation; a build asks nobody else's site.
ELSEWHERE = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.debug_module": "collections/ansible/builtin/debug_module.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def _elsewhere(_app, _env, node, content):
    """A link to a label of Ansible's documentation; nothing for any other, which Sphinx then warns of."""
    path = ELSEWHERE.get(node["reftarget"])
    return path and reference("", "", content, refuri=ANSIBLE + path, internal=False)


def setup(app):
    """Sphinx calls this."""
    app.connect("missing-reference", _elsewhere)
