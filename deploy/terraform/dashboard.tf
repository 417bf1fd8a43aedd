locals {
  streaming = [for name, job in local.settings.jobs : name if job.kind == "streaming"]
  charts = [ # title, statistic, and namespace, metric, dimension, value of each line
    ["Records in", "Sum", [for name in keys(local.settings.streams) :
    ["AWS/Kinesis", "IncomingRecords", "StreamName", name]]],
    ["Readers behind, ms", "Maximum", [for name in keys(local.settings.streams) :
    ["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", name]]],
    ["Rows", "Sum", [for pair in setproduct(local.streaming, ["Read", "Written", "Duplicate", "Quarantined"]) :
    ["Clickstream", pair[1], "Job", pair[0]]]],
    ["Batch time, % of its window", "Maximum", [for name in local.streaming :
    ["Clickstream", "BatchUtilization", "Job", name]]],
    ["Records not to be seen for, s", "Maximum", [for name in local.streaming : ["Clickstream", "EndToEndLatency", "Job", name]]],
    ["Archived after, s", "Maximum", [for name in keys(local.settings.archives) :
    ["AWS/Firehose", "DeliveryToS3.DataFreshness", "DeliveryStreamName", name]]],
    ["Functions' errors", "Sum", [for name in keys(local.settings.functions) :
    ["AWS/Lambda", "Errors", "FunctionName", name]]],
    ["Functions' duration, ms", "p99", [for name in keys(local.settings.functions) :
    ["AWS/Lambda", "Duration", "FunctionName", name]]],
    ["Given up", "Maximum", [for name in local.queues :
    ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "undelivered-${name}"]]],
    ["Live items written", "Sum", [for name in keys(local.settings.dynamodb) :
    ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", name]]],
  ]
}

resource "aws_cloudwatch_dashboard" "clickstream" {
  dashboard_name = "clickstream"
  dashboard_body = jsonencode({
    widgets = [for number, chart in local.charts : {
      type = "metric", x = 12 * (number % 2), y = 6 * floor(number / 2), width = 12, height = 6,
      properties = {
        title = chart[0], stat = chart[1], metrics = chart[2], region = local.place.region, period = 300,
        view  = "timeSeries",
      }
    }]
  })
}
