"""What is told to MLflow: tracker, journal on disk, delivery. The only package that imports mlflow."""
