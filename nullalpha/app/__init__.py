"""The composition root: settings to a lab, every port bound to its adapter."""
