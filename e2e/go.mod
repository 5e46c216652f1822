module github.com/otelhealth/otelhealth/e2e

go 1.26.0
