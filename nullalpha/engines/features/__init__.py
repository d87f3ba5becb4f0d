"""Features: indicators, the pipeline that turns plans into columns, and what labels and exits need of volatility."""
