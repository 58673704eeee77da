"""The `gastritis-gan` command; installed as `gastritis_gan.cli`."""
