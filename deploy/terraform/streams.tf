resource "aws_kinesis_stream" "stream" {
  for_each         = local.settings.streams
  name             = each.key
  shard_count      = each.value.shards == 0 ? null : each.value.shards
  retention_period = each.value.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.data.arn
  stream_mode_details { stream_mode = each.value.shards == 0 ? "ON_DEMAND" : "PROVISIONED" }
}

locals {
  deliveries = merge( # of Firehose; a name goes on with that of the stream
    { for name, archive in local.settings.archives : "archive-${name}" => {
      stream         = name, function = "transform_events", folder = "raw/${name}", keyed = true, buffer_mb = 128,
      buffer_seconds = 300,
    } if archive.by == "firehose" },
    { for name, export in local.settings.exports : "export-${name}" => merge(export, { stream = name, keyed = false }) },
  )
}

resource "aws_kinesis_firehose_delivery_stream" "delivery" {
  for_each    = local.deliveries
  name        = each.key
  destination = "extended_s3"
  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.stream[each.value.stream].arn
    role_arn           = aws_iam_role.role[each.key].arn
  }
  extended_s3_configuration {
    role_arn   = aws_iam_role.role[each.key].arn
    bucket_arn = aws_s3_bucket.bucket["lake"].arn
    prefix = "${each.value.folder}/${each.value.keyed
      ? "arrived=!{partitionKeyFromLambda:arrived_date}/!{partitionKeyFromLambda:arrived_hour}"
    : "arrived=!{timestamp:yyyy-MM-dd}/!{timestamp:HH}"}/"
    error_output_prefix = "failed/${each.key}/!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/"
    file_extension      = ".gz"
    buffering_size      = each.value.buffer_mb
    buffering_interval  = each.value.buffer_seconds
    compression_format  = "GZIP"
    dynamic_partitioning_configuration { enabled = each.value.keyed }
    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.deliveries.name
      log_stream_name = each.key
    }
    processing_configuration {
      enabled = true
      processors {
        type = "Lambda"
        parameters {
          parameter_name  = "LambdaArn"
          parameter_value = "arn:aws:lambda:${local.here}:function:${each.value.function}:$LATEST"
        }
        parameters {
          parameter_name  = "BufferSizeInMBs" # a call; the function's answer may be no larger than 6 MB
          parameter_value = "2"
        }
        parameters {
          parameter_name  = "BufferIntervalInSeconds"
          parameter_value = "61"
        }
      }
    }
  }
  depends_on = [aws_iam_role_policy.role]
}
