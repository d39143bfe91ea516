"""The laboratory centre: its dictionary, analysers' profiles, specimens, results, control material, and rules."""
