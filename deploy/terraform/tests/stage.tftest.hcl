mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:topic" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/role" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::bucket" }
  }
  mock_resource "aws_kinesis_stream" {
    defaults = { arn = "arn:aws:kinesis:us-east-1:123456789012:stream/stream" }
  }
}

variables {
  stage = "prod"
}

run "prod" {
  # data is kept private and versioned
  assert {
    condition = alltrue([for block in aws_s3_bucket_public_access_block.bucket :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "a bucket could be made public"
  }
  assert {
    condition     = alltrue([for v in aws_s3_bucket_versioning.bucket : v.versioning_configuration[0].status == "Enabled"])
    error_message = "a bucket has no versions"
  }
  assert {
    condition = alltrue(flatten([for e in aws_s3_bucket_server_side_encryption_configuration.bucket :
      [for rule in e.rule : rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.data.arn]
    ]))
    error_message = "a bucket is not encrypted with our key"
  }
  assert {
    condition = alltrue([for l in aws_s3_bucket_lifecycle_configuration.bucket :
      anytrue([for rule in l.rule : length(rule.abort_incomplete_multipart_upload) > 0])
    ])
    error_message = "unfinished uploads are paid for, for ever"
  }
  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.bucket["lake"].rule :
      rule.filter[0].prefix == "tmp/" && rule.expiration[0].days == 1
      && rule.noncurrent_version_expiration[0].noncurrent_days == 1 if length(rule.expiration) > 0
    ])
    error_message = "rows that a run has materialized in tmp/ are kept"
  }
  assert {
    condition     = alltrue([for b in aws_s3_bucket.bucket : !b.force_destroy])
    error_message = "destroying prod would take its data"
  }
  assert {
    condition     = aws_kms_key.data.enable_key_rotation
    error_message = "the key is not rotated"
  }

  # live tables can be restored and their items expire
  assert {
    condition = alltrue([for t in aws_dynamodb_table.live :
      t.point_in_time_recovery[0].enabled && t.ttl[0].enabled && t.deletion_protection_enabled
    ])
    error_message = "a table cannot be restored, keeps items for ever, or can be deleted by mistake"
  }
  assert {
    condition = (
      aws_dynamodb_table.live["live_sessions"].hash_key == "user_id"
      && aws_dynamodb_table.live["live_sessions"].range_key == "session_number"
      && aws_dynamodb_table.live["live_page_counts"].hash_key == "page"
      && aws_dynamodb_table.live["live_page_counts"].range_key == "window_key"
    )
    error_message = "a live table has another key than the settings"
  }

  # streams have the shards of their stage
  assert {
    condition     = aws_kinesis_stream.stream["events"].shard_count == 2
    error_message = "events has other shards than the settings"
  }
  assert {
    condition     = alltrue([for s in aws_kinesis_stream.stream : s.encryption_type == "KMS"])
    error_message = "a stream is not encrypted"
  }

  # everything that runs has a role of its own
  assert {
    condition = toset(keys(aws_iam_role.role)) == toset(concat(
      [for name in keys(local.settings.jobs) : "job-${name}"],
      [for name in keys(local.settings.functions) : "function-${name}"],
      keys(local.deliveries),
      ["pipeline", "scheduler", "table-optimizer"],
    ))
    error_message = "a role is missing, or belongs to nothing"
  }
  assert {
    condition     = toset(keys(aws_sqs_queue.dead_letter)) == toset(["land_raw", "store", "schedules"])
    error_message = "a dead-letter queue is missing, or belongs to nothing"
  }

  # every alarm notifies a topic and has its row in the runbook
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarm : length(alarm.alarm_actions) == 1])
    error_message = "an alarm notifies nobody"
  }
  assert {
    condition = alltrue([for alarm in merge(
      aws_cloudwatch_metric_alarm.alarm,
      { for name, alarm in aws_cloudwatch_metric_alarm.quarantined_ratio : alarm.alarm_name => alarm },
    ) : strcontains(file("${path.module}/../../docs/runbook.md"), "| `${split(".", alarm.alarm_name)[0]}` |")])
    error_message = "docs/runbook.md has no row for an alarm"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["no_data.events"].period == 900
    error_message = "no_data has another period than the settings"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["batch_utilization.events_stream"].threshold == 70
    error_message = "batch utilization has another threshold than the settings"
  }

  # queries have a limit
  assert {
    condition     = aws_athena_workgroup.workgroup.configuration[0].bytes_scanned_cutoff_per_query == 10737418240
    error_message = "a query may read more than the settings say"
  }
}

run "a_disposable_stage_can_be_taken_down_with_its_data" {
  variables {
    stage = "dev"
  }
  assert {
    condition     = alltrue([for b in aws_s3_bucket.bucket : b.force_destroy])
    error_message = "a bucket with objects would stay"
  }
  assert {
    condition     = alltrue([for t in aws_dynamodb_table.live : !t.deletion_protection_enabled])
    error_message = "a table would stay"
  }
}

run "a_small_stage_has_a_shard_a_stream" {
  command = plan
  variables {
    stage = "small"
  }
  assert {
    condition     = alltrue([for s in aws_kinesis_stream.stream : s.shard_count == 1])
    error_message = "a stream has more than a shard"
  }
}

run "a_large_stage_has_its_shards" {
  command = plan
  variables {
    stage = "large"
  }
  assert {
    condition     = aws_kinesis_stream.stream["events"].shard_count == 400
    error_message = "events has other shards than the settings"
  }
}

run "a_stage_without_a_file_is_rejected" {
  command = plan
  variables {
    stage = "nowhere"
  }
  expect_failures = [var.stage]
}
