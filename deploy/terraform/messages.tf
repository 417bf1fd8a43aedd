# Topics for success and failure, dead-letter queues, log groups.

locals {
  dead_letter_queues = toset(concat( # functions with a trigger, and the scheduler; named <name>-dlq
    [for name, streams in local.sources : name if length(streams) > 0], ["schedules"],
  ))
}

resource "aws_sns_topic" "topic" {
  for_each          = toset(["PipelineSuccess", "PipelineFailure"])
  name              = each.key
  kms_master_key_id = aws_kms_key.data.id
}

data "aws_iam_policy_document" "failure" {
  statement {
    sid       = "PublishFailures"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.topic["PipelineFailure"].arn]
    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "failure" {
  arn    = aws_sns_topic.topic["PipelineFailure"].arn
  policy = data.aws_iam_policy_document.failure.json
}

resource "aws_sns_topic_subscription" "mail" {
  for_each  = toset(local.account.alarms_to)
  topic_arn = aws_sns_topic.topic["PipelineFailure"].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sqs_queue" "dead_letter" {
  for_each                          = local.dead_letter_queues
  name                              = "${each.key}-dlq"
  message_retention_seconds         = 14 * 24 * 3600
  kms_master_key_id                 = aws_kms_key.data.id
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_scheduler_schedule_group" "clickstream" {
  name = "clickstream"
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.settings.functions
  name              = "/aws/lambda/${each.key}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_cloudwatch_log_group" "deliveries" {
  name              = "/aws/kinesisfirehose/clickstream"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_cloudwatch_log_group" "state_machine" {
  for_each          = local.state_machines
  name              = "/aws/vendedlogs/states/${each.key}"
  retention_in_days = 365
  kms_key_id        = aws_kms_key.data.arn
}
