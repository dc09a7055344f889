# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the example, run by each check: TestData… for the data, TestModel… for the model."""

import unittest

import model


class TestData(unittest.TestCase):
    def test_a_correction_is_what_counts(self):
        cases = model.data(None, [{"case": "digit-0", "label": "7", "by": "ada", "at": "2026-01-01T00:00:00Z"}])
        self.assertEqual(cases.y[0], 7)
        self.assertEqual(cases.slices[0], "7")

    def test_names_are_lasting_and_single(self):
        first, second = model.data(None, []), model.data(None, [])
        self.assertEqual(first.ids, second.ids)
        self.assertEqual(len(set(first.ids)), len(first.y))


class TestModel(unittest.TestCase):
    def test_it_learns(self):
        cases = model.data(None, [])
        trained = model.train(cases.X[:300], cases.y[:300])
        self.assertGreater(trained.score(cases.X[300:600], cases.y[300:600]), 0.8)

    def test_a_picture_is_shown_whole(self):
        shown = model.show(model.data(None, []).X[0])
        self.assertEqual(len(shown["pixels"]), shown["width"] * shown["height"])


if __name__ == "__main__":
    unittest.main()
