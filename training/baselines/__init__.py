"""The methods that Evenhand is compared with."""
