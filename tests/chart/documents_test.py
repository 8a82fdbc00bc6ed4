"""What the chart says of itself: every value is described and in the schema, and versions are those of the project."""

import json
import re
import tomllib
import unittest

import chart
import values_table


def properties(schema, definitions):
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema.get("properties")


class Documents(unittest.TestCase):
    maxDiff = None

    def test_every_value_is_described(self):
        described = values_table.described()
        for path, _ in values_table.defaults():
            with self.subTest(path):
                self.assertIn(path, described)

    def test_every_description_is_of_a_value(self):
        paths = {path for path, _ in values_table.defaults()}
        self.assertEqual(set(values_table.described()) - paths, set())

    def test_the_table_in_the_readme_is_the_one_of_the_values(self):
        text = values_table.README.read_text()
        self.assertEqual(text, values_table.with_table(text), "make chart-golden writes it")

    def test_the_schema_has_the_keys_of_the_values_and_no_others(self):
        schema = json.loads((chart.CHART / "values.schema.json").read_text())

        def compare(values, schema, path):
            known = properties(schema, schema_definitions)
            if known is None or not isinstance(values, dict) or path in free:
                return
            self.assertEqual(set(values), set(known) - helm_own, path)
            for key, value in values.items():
                compare(value, known[key], f"{path}.{key}")

        schema_definitions = schema["definitions"]
        helm_own = {"global"}
        # Maps of which the defaults are one possibility.
        free = {
            ".config",
            ".resources",
            ".probes.startup",
            ".probes.liveness",
            ".probes.readiness",
            ".istio.provider.includeRequestBodyInCheck",
        }
        compare(chart.documents(values_table.VALUES.read_text())[0], schema, "")

    def test_versions_are_those_of_the_project(self):
        package = tomllib.loads((chart.ROOT / "Cargo.toml").read_text())["package"]
        about = chart.documents((chart.CHART / "Chart.yaml").read_text())[0]
        self.assertEqual(about["appVersion"], package["version"])
        self.assertEqual(about["name"], package["name"])

    def test_files_that_the_readme_links_are_there(self):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", values_table.README.read_text()):
            with self.subTest(link):
                self.assertTrue((chart.CHART / link).exists())
