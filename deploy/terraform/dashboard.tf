locals {
  streaming   = [for name, job in local.settings.jobs : name if job.kind == "streaming"]
  row_metrics = ["Read", "Written", "Duplicate", "Conflict", "Quarantined", "Unprocessable"]
  charts = [ # title, statistic, and namespace, metric, dimension, value of each line
    ["Records in", "Sum", [for name in keys(local.settings.streams) :
    ["AWS/Kinesis", "IncomingRecords", "StreamName", name]]],
    ["Iterator age of readers, ms", "Maximum", [for name in keys(local.settings.streams) :
    ["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", name]]],
    ["Rows", "Sum", [for pair in setproduct(local.streaming, local.row_metrics) :
    ["Clickstream", pair[1], "Job", pair[0]]]],
    ["Batch duration, s", "Maximum", [for name in local.streaming :
    ["Clickstream", "BatchDuration", "Job", name]]],
    ["Batch utilization, % of the batch interval", "Maximum", [for name in local.streaming :
    ["Clickstream", "BatchUtilization", "Job", name]]],
    ["End-to-end latency, s", "Maximum", [for name in local.streaming :
    ["Clickstream", "EndToEndLatency", "Job", name]]],
    ["Data freshness of Firehose, s", "Maximum", [for name in keys(local.deliveries) :
    ["AWS/Firehose", "DeliveryToS3.DataFreshness", "DeliveryStreamName", name]]],
    ["Errors of functions", "Sum", [for name in keys(local.settings.functions) :
    ["AWS/Lambda", "Errors", "FunctionName", name]]],
    ["Memory used by functions, MB", "Maximum", [for name in keys(local.settings.functions) :
    ["Clickstream", "MaxMemoryUsed.${name}"]]],
    ["Duration of functions, ms", "p99", [for name in keys(local.settings.functions) :
    ["AWS/Lambda", "Duration", "FunctionName", name]]],
    ["Messages in dead-letter queues", "Maximum", [for name in local.dead_letter_queues :
    ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${name}-dlq"]]],
    ["Write capacity of live tables", "Sum", [for name in keys(local.settings.dynamodb) :
    ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", name]]],
  ]
}

resource "aws_cloudwatch_dashboard" "clickstream" {
  dashboard_name = "clickstream"
  dashboard_body = jsonencode({
    widgets = [for number, chart in local.charts : {
      type = "metric", x = 12 * (number % 2), y = 6 * floor(number / 2), width = 12, height = 6,
      properties = {
        title = chart[0], stat = chart[1], metrics = chart[2], region = local.account.region, period = 300,
        view  = "timeSeries",
      }
    }]
  })
}
