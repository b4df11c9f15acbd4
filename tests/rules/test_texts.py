"""Docstrings, pages per package, links that lead somewhere, and nothing of one machine in any tracked file."""

from tests.rules import texts
from tests.rules.source_files import PRODUCT, python_files, sample, tracked
from tests.rules.source_files import texts as all_texts


def test_every_module_and_every_public_name_of_the_product_says_what_it_is_for():
    errors = [error for source in python_files(*PRODUCT, "deploy") for error in texts.docstring_errors(source)]
    assert not errors, "\n".join(errors)


def test_every_test_module_says_what_it_is_about():
    errors = [error for source in python_files("tests") for error in texts.docstring_errors(source)]
    assert not [error for error in errors if "the module has no docstring" in error]


def test_no_tracked_file_names_a_home_folder_or_a_registry():
    errors = [error for path, text in all_texts() for error in texts.machine_errors(path, text)]
    assert not errors, "\n".join(errors)


def test_links_of_every_page_lead_somewhere():
    files = set(tracked())
    existing = files | {"/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)}
    pages = [(path, text) for path, text in all_texts() if path.endswith(".md")]
    errors = [error for path, text in pages for error in texts.link_errors(path, text, existing)]
    assert not errors, "\n".join(errors)


def test_every_package_has_its_page():
    pages = {path: text for path, text in all_texts() if path.endswith("/README.md")}
    errors = [error for package in PRODUCT for error in texts.package_page_errors(package, pages)]
    assert not errors, "\n".join(errors)


def test_a_silent_module_function_or_class_fails():
    silent = sample("agent/x.py", "def run(): ...\nclass Loop: ...\ndef _own(): ...")
    assert [error.split(": ")[1].split(" ")[0] for error in texts.docstring_errors(silent)] == ["the", "run", "Loop"]


def test_a_path_of_one_machine_and_a_registry_fail():
    lines = "see /" + "home/ann/flows\nfetched from py" + "pi.org\nsee /srv/flows"
    assert [error.split(": ")[1] for error in texts.machine_errors("docs/x.md", lines)] == [
        "a path of one machine",
        "a registry's host",
    ]


def test_a_dead_link_fails():
    page = "[here](other.md) [there](../README.md#top) [web](https://example.com/x)"
    assert texts.link_errors("docs/x.md", page, {"README.md"}) == ["docs/x.md:1: the link to other.md leads nowhere"]


def test_a_missing_or_endless_package_page_fails():
    assert "is missing" in texts.package_page_errors("queues", {})[0]
    assert "one page" in texts.package_page_errors("queues", {"queues/README.md": "x\n" * 200})[0]
