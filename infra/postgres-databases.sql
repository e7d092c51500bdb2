-- Dagster's database is made by the image itself.
CREATE DATABASE mlflow;
