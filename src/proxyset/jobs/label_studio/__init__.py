"""The round trip with a Label Studio server: tasks go out in chunks, labels come back."""
