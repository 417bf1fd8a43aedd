# Alarms, sent to the topic PipelineFailure. docs/runbook.md has a row for each kind, the part of a name before its dot.

locals {
  thresholds      = local.settings.alarms
  latency_minutes = local.thresholds.end_to_end_latency_minutes
  latency_ms      = local.latency_minutes * 60 * 1000

  alarms = merge(
    { for name, stream in local.settings.streams : "no_data.${name}" => {
      text       = "No record for ${stream.silent_minutes} minutes",
      namespace  = "AWS/Kinesis", metric = "IncomingRecords", statistic = "Sum", dimensions = { StreamName = name },
      comparison = "LessThanThreshold", threshold = 1, period = stream.silent_minutes * 60, missing = "breaching",
    } if try(stream.silent_minutes, 0) > 0 },
    { for name, stream in local.settings.streams : "stream_lag.${name}" => {
      text       = "A reader is ${local.latency_minutes} minutes behind the stream",
      namespace  = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", statistic = "Maximum",
      dimensions = { StreamName = name },
      comparison = "GreaterThanThreshold", threshold = local.latency_ms, period = 300, missing = "notBreaching",
    } },
    merge([for name, job in local.settings.jobs : {
      "end_to_end_latency.${name}" = {
        text       = "End-to-end latency above ${local.latency_minutes} minutes",
        namespace  = "Clickstream", metric = "EndToEndLatency", statistic = "Maximum", dimensions = { Job = name },
        comparison = "GreaterThanThreshold", threshold = local.latency_minutes * 60, period = 300,
        missing    = "notBreaching",
      }
      "batch_utilization.${name}" = {
        text       = "A batch took more than ${local.thresholds.batch_utilization_percent}% of the batch interval",
        namespace  = "Clickstream", metric = "BatchUtilization", statistic = "Maximum", dimensions = { Job = name },
        comparison = "GreaterThanThreshold", threshold = local.thresholds.batch_utilization_percent, period = 300,
        missing    = "notBreaching",
      }
      "unprocessable.${name}" = {
        text       = "A record that the code cannot process was quarantined",
        namespace  = "Clickstream", metric = "Unprocessable", statistic = "Sum", dimensions = { Job = name },
        comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
      }
    } if job.kind == "streaming"]...),
    # https://docs.aws.amazon.com/glue/latest/dg/monitor-observability.html; a full heap is normal right before it is
    # collected, so the average counts
    { for pair in setproduct(keys(local.settings.jobs), ["driver", "executor"]) :
      "${pair[1]}_memory.${pair[0]}" => {
        text      = "Over 5 minutes, more than ${local.thresholds.heap_percent}% of the heap was in use",
        namespace = "Glue", metric = "glue.${pair[1] == "driver" ? "driver" : "ALL"}.memory.heap.used.percentage",
        statistic = "Average",
        dimensions = {
          JobName = pair[0], JobRunId = "ALL", Type = "gauge", ObservabilityGroup = "resource_utilization"
        },
        comparison = "GreaterThanThreshold", threshold = local.thresholds.heap_percent, period = 300,
        missing    = "notBreaching",
    } },
    { for name, function in local.settings.functions : "function_memory.${name}" => {
      text       = "The function used more than ${local.thresholds.function_memory_percent}% of its memory",
      namespace  = "Clickstream", metric = "MaxMemoryUsed.${name}", statistic = "Maximum", dimensions = {},
      comparison = "GreaterThanThreshold", period = 300, missing = "notBreaching",
      threshold  = function.memory_mb * local.thresholds.function_memory_percent / 100,
    } },
    { for name in keys(local.settings.functions) : "function_errors.${name}" => {
      text       = "The function failed",
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum", dimensions = { FunctionName = name },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { for name, function in local.settings.functions : "function_lag.${name}" => {
      text       = "The function is ${local.latency_minutes} minutes behind its stream",
      namespace  = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", dimensions = { FunctionName = name },
      comparison = "GreaterThanThreshold", threshold = local.latency_ms, period = 300, missing = "notBreaching",
    } if length(local.sources[name]) > 0 },
    { for name, delivery in local.deliveries : "firehose_lag.${name}" => {
      text       = "Firehose is ${local.latency_minutes} minutes behind its stream",
      namespace  = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", statistic = "Maximum",
      dimensions = { DeliveryStreamName = name },
      comparison = "GreaterThanThreshold", threshold = delivery.buffer_seconds + local.latency_minutes * 60,
      period     = 300, missing = "notBreaching",
    } },
    { for name in local.dead_letter_queues : "dead_letter.${name}" => {
      text       = "Messages in the dead-letter queue",
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum",
      dimensions = { QueueName = "${name}-dlq" },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { for pair in setproduct(keys(local.settings.dynamodb), ["Read", "Write"]) :
      "throttled.${pair[0]}-${lower(pair[1])}" => {
        text       = "DynamoDB throttles requests",
        namespace  = "AWS/DynamoDB", metric = "${pair[1]}ThrottleEvents", statistic = "Sum",
        dimensions = { TableName = pair[0] },
        comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
    { for name, arn in local.machine_arns : "pipeline_failed.${name}" => {
      text       = "The state machine failed",
      namespace  = "AWS/States", metric = "ExecutionsFailed", statistic = "Sum",
      dimensions = { StateMachineArn = arn },
      comparison = "GreaterThanThreshold", threshold = 0, period = 300, missing = "notBreaching",
    } },
  )
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each            = local.alarms
  alarm_name          = each.key
  alarm_description   = "${each.value.text}. docs/runbook.md: ${split(".", each.key)[0]}"
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

# Lambda's last line of a call: REPORT RequestId: 1 Duration: 2 ms Billed Duration: 3 ms Memory Size: 4 MB
# Max Memory Used: 5 MB, and more after a cold start.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
resource "aws_cloudwatch_log_metric_filter" "function_memory" {
  for_each       = aws_cloudwatch_log_group.function
  name           = "MaxMemoryUsed"
  log_group_name = each.value.name
  pattern        = "[report=REPORT, ${join(", ", [for number in range(2, 17) : "word${number}"])}, label=\"Used:\", used, ...]"
  metric_transformation {
    namespace = "Clickstream"
    name      = "MaxMemoryUsed.${each.key}"
    value     = "$used"
    unit      = "Megabytes"
  }
}

resource "aws_cloudwatch_metric_alarm" "quarantined_ratio" {
  for_each            = { for name, job in local.settings.jobs : name => job if job.kind == "streaming" }
  alarm_name          = "quarantined_ratio.${each.key}"
  alarm_description   = "More than ${local.thresholds.quarantined_percent}% of the rows of an hour were quarantined. docs/runbook.md: quarantined_ratio"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.thresholds.quarantined_percent
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.topic["PipelineFailure"].arn]
  ok_actions          = [aws_sns_topic.topic["PipelineFailure"].arn]
  metric_query {
    id          = "ratio"
    expression  = "100 * quarantined / read"
    label       = "quarantined rows, percent"
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
  description = "A run of a job failed or exceeded its timeout"
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
    input_paths    = { job = "$.detail.jobName", run = "$.detail.jobRunId", state = "$.detail.state", message = "$.detail.message" }
    input_template = "\"Job <job>, run <run>: <state>. <message> docs/runbook.md: job_failed\""
  }
}

resource "aws_cloudwatch_event_rule" "pipeline_stopped" { # docs/runbook.md: pipeline_stopped
  name        = "pipeline_stopped"
  description = "An execution exceeded its timeout or was aborted: a state machine cannot catch that"
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail      = { stateMachineArn = values(local.machine_arns), status = ["TIMED_OUT", "ABORTED"] }
  })
}

resource "aws_cloudwatch_event_target" "pipeline_stopped" {
  rule = aws_cloudwatch_event_rule.pipeline_stopped.name
  arn  = aws_sns_topic.topic["PipelineFailure"].arn
  input_transformer {
    input_paths    = { execution = "$.detail.executionArn", status = "$.detail.status" }
    input_template = "\"Execution <execution>: <status>. docs/runbook.md: pipeline_stopped\""
  }
}

resource "aws_budgets_budget" "cost" { # docs/runbook.md: cost
  name         = "clickstream"
  budget_type  = "COST"
  limit_amount = tostring(local.account.monthly_budget_usd)
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
