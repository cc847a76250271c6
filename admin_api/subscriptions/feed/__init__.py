"""The feed of signed catalogues: fetched, judged, put in force or held back."""
