# What somebody has to be told. docs/runbook.md has a line for each kind, the part of a name before its point.

locals {
  limits = local.settings.alarms.limits
  lag_ms = local.limits.lag_minutes * 60 * 1000

  alarms = merge(
    { for name, stream in local.settings.streams : "no_data.${name}" => {
      says       = "No record for ${stream.silent_minutes} minutes",
      namespace  = "AWS/Kinesis", metric = "IncomingRecords", statistic = "Sum", dimensions = { StreamName = name },
      comparison = "LessThanThreshold", threshold = 1, period = stream.silent_minutes * 60, missing = "breaching",
    } if stream.silent_minutes > 0 },
    { for name, stream in local.settings.streams : "stream_lag.${name}" => {
      says       = "A reader is ${local.limits.lag_minutes} minutes behind",
      namespace  = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", statistic = "Maximum",
      dimensions = { StreamName = name },
      comparison = "GreaterThanThreshold", threshold = local.lag_ms, period = 300, missing = "notBreaching",
    } },
    merge([for name, job in local.settings.jobs : {
      "job_lag.${name}" = {
        says       = "A record was not to be seen for ${local.limits.lag_minutes} minutes",
        namespace  = "Clickstream", metric = "EndToEndLatency", statistic = "Maximum", dimensions = { Job = name },
        comparison = "GreaterThanThreshold", threshold = local.limits.lag_minutes * 60, period = 300,
        missing    = "notBreaching",
      }
      "batch_time.${name}" = {
        says       = "A batch took more than ${local.limits.batch_share_of_window}% of its window",
        namespace  = "Clickstream", metric = "BatchUtilization", statistic = "Maximum", dimensions = { Job = name },
        comparison = "GreaterThanThreshold", threshold = local.limits.batch_share_of_window, period = 300,
        missing    = "notBreaching",
      }
    } if job.kind == "streaming"]...),
    { for name in keys(local.settings.functions) : "function_errors.${name}" => {
      says       = "The function failed",
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = { FunctionName = name },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { for name, function in local.settings.functions : "function_lag.${name}" => {
      says       = "The function is ${local.limits.lag_minutes} minutes behind its stream",
      namespace  = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", dimensions = { FunctionName = name },
      comparison = "GreaterThanThreshold", threshold = local.lag_ms, period = 300, missing = "notBreaching",
    } if can(function.streams) },
    { for name, archive in local.settings.archives : "archive_lag.${name}" => {
      says       = "What is in the stream has not been archived for ${local.limits.lag_minutes} minutes",
      namespace  = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", statistic = "Maximum",
      dimensions = { DeliveryStreamName = name },
      comparison = "GreaterThanThreshold", threshold = archive.buffer_seconds + local.limits.lag_minutes * 60,
      period     = 300, missing = "notBreaching",
    } },
    { for name in local.queues : "undelivered.${name}" => {
      says       = "Something was given up and waits in a queue",
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum",
      dimensions = { QueueName = "undelivered-${name}" },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { for pair in setproduct(keys(local.settings.dynamodb), ["Read", "Write"]) :
      "throttled.${pair[0]}-${lower(pair[1])}" => {
        says       = "DynamoDB throttles",
        namespace  = "AWS/DynamoDB", metric = "${pair[1]}ThrottleEvents", statistic = "Sum",
        dimensions = { TableName = pair[0] },
        comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { "pipeline_failed.clickstream" = {
      says       = "The state machine failed",
      namespace  = "AWS/States", metric = "ExecutionsFailed", statistic = "Sum",
      dimensions = { StateMachineArn = local.machine_arn },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
  )
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each            = local.alarms
  alarm_name          = each.key
  alarm_description   = "${each.value.says}. docs/runbook.md: ${split(".", each.key)[0]}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = 1
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.topic["PipelineFailure"].arn]
  ok_actions          = [aws_sns_topic.topic["PipelineFailure"].arn]
}

resource "aws_cloudwatch_metric_alarm" "quarantined_share" {
  for_each            = { for name, job in local.settings.jobs : name => job if job.kind == "streaming" }
  alarm_name          = "quarantined_share.${each.key}"
  alarm_description   = "More than ${local.limits.quarantined_share}% of the rows were refused. docs/runbook.md: quarantined_share"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.limits.quarantined_share
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.topic["PipelineFailure"].arn]
  ok_actions          = [aws_sns_topic.topic["PipelineFailure"].arn]
  metric_query {
    id          = "share"
    expression  = "100 * quarantined / read"
    label       = "refused rows, percent"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { quarantined = "Quarantined", read = "Read" }
    content {
      id = metric_query.key
      metric {
        namespace   = "Clickstream"
        metric_name = metric_query.value
        dimensions  = { Job = each.key }
        stat        = "Sum"
        period      = 3600
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "job_failed" { # docs/runbook.md: job_failed
  name        = "job_failed"
  description = "A run of one of our jobs failed, or took too long"
  event_pattern = jsonencode({
    source      = ["aws.glue"]
    detail-type = ["Glue Job State Change"]
    detail      = { jobName = keys(local.settings.jobs), state = ["FAILED", "TIMEOUT", "ERROR"] }
  })
}

resource "aws_cloudwatch_event_target" "job_failed" {
  rule = aws_cloudwatch_event_rule.job_failed.name
  arn  = aws_sns_topic.topic["PipelineFailure"].arn
  input_transformer {
    input_paths    = { job = "$.detail.jobName", run = "$.detail.jobRunId", state = "$.detail.state", says = "$.detail.message" }
    input_template = "\"Job <job>, run <run>: <state>. <says> docs/runbook.md: job_failed\""
  }
}

resource "aws_budgets_budget" "cost" { # docs/runbook.md: cost
  name         = "clickstream"
  budget_type  = "COST"
  limit_amount = tostring(local.place.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  dynamic "notification" {
    for_each = toset(["ACTUAL", "FORECASTED"])
    content {
      comparison_operator       = "GREATER_THAN"
      threshold                 = 80
      threshold_type            = "PERCENTAGE"
      notification_type         = notification.value
      subscriber_sns_topic_arns = [aws_sns_topic.topic["PipelineFailure"].arn]
    }
  }
}
