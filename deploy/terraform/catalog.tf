resource "aws_glue_catalog_database" "clickstream" {
  name         = "clickstream"
  location_uri = "s3://${aws_s3_bucket.bucket["lake"].id}/"
}

resource "aws_athena_workgroup" "workgroup" {
  name          = local.settings.athena.workgroup
  force_destroy = true # of its history
  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = local.settings.athena.scan_limit_gb * 1024 * 1024 * 1024
    engine_version { selected_engine_version = "Athena engine version 3" }
    result_configuration {
      output_location = "s3://${aws_s3_bucket.bucket["lake"].id}/athena/"
      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = aws_kms_key.data.arn
      }
    }
  }
}
