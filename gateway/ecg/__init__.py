"""The ECG centre's side of the gateway: recordings that arrived, opened, thinned and shown."""
