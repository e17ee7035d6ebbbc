"""Liver surgery planning: structures, plan, cysts, vessels, volumetry, margins, comparison."""
