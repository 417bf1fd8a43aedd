# A role for each job, function and service; `*` only where AWS has no ARN.

locals {
  lake        = aws_s3_bucket.bucket["lake"].arn
  code        = aws_s3_bucket.bucket["code"].arn
  streams_arn = "arn:aws:kinesis:${local.here}:stream"
  glue_arn    = "arn:aws:glue:${local.here}"

  state_machines = { # deploy/state_machine.py
    for file in fileset("${path.module}/../state_machines", "*.asl.json") :
    trimsuffix(file, ".asl.json") => file("${path.module}/../state_machines/${file}")
  }
  machine_arns = { for name in keys(local.state_machines) : name => "arn:aws:states:${local.here}:stateMachine:${name}" }
  machine_jobs = distinct(flatten(regexall("\"JobName\": *\"(\\w+)\"", join("\n", values(local.state_machines)))))

  services = merge(
    { for name in keys(local.settings.jobs) : "job-${name}" => "glue.amazonaws.com" },
    { for name in keys(local.settings.functions) : "function-${name}" => "lambda.amazonaws.com" },
    { for name in keys(local.deliveries) : name => "firehose.amazonaws.com" },
    { pipeline = "states.amazonaws.com", scheduler = "scheduler.amazonaws.com", table-optimizer = "glue.amazonaws.com" },
  )
  policies = merge(
    { for name, document in data.aws_iam_policy_document.job : "job-${name}" => document.json },
    { for name, document in data.aws_iam_policy_document.function : "function-${name}" => document.json },
    { for name, document in data.aws_iam_policy_document.delivery : name => document.json },
    { pipeline = data.aws_iam_policy_document.pipeline.json, scheduler = data.aws_iam_policy_document.scheduler.json },
    { table-optimizer = data.aws_iam_policy_document.table_optimizer.json },
  )
}

data "aws_iam_policy_document" "assume" {
  for_each = local.services
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_iam_role" "role" {
  for_each           = local.services
  name               = "${local.prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume[each.key].json
}

resource "aws_iam_role_policy" "role" {
  for_each = local.services
  name     = "access"
  role     = aws_iam_role.role[each.key].id
  policy   = local.policies[each.key]
}

locals {
  temp_folder = "tmp" # of the lake, for --TempDir of every job: deploy/jobs.py
  written     = { for name, job in local.settings.jobs : name => concat(try(job.access.write, []), [local.temp_folder]) }
  read        = { for name, job in local.settings.jobs : name => concat(try(job.access.read, []), local.written[name]) }
  opened = { # by S3A, which asks for a folder as if it were an object, too; Iceberg asks for its tables' files only
    for name, job in local.settings.jobs : name => setsubtract(local.read[name], try(job.access.tables, []))
  }
}

data "aws_iam_policy_document" "job" {
  for_each = local.settings.jobs
  statement {
    sid       = "FindObjects"
    actions   = ["s3:ListBucket"]
    resources = [local.lake]
    condition { # a HEAD has no prefix; without the right to list, S3 says 403 and not 404 of what does not exist
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = flatten([for folder in local.read[each.key] : [folder, "${folder}/*"]])
    }
  }
  statement {
    sid     = "ReadObjects"
    actions = ["s3:GetObject"]
    resources = concat(
      ["${local.code}/*"],
      [for folder in local.read[each.key] : "${local.lake}/${folder}/*"],
      [for folder in local.opened[each.key] : "${local.lake}/${folder}"],
    )
  }
  statement {
    sid       = "WriteObjects"
    actions   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for folder in local.written[each.key] : "${local.lake}/${folder}/*"]
  }
  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
  dynamic "statement" {
    for_each = try([each.value.access.tables], [])
    content {
      sid     = "ReadTables"
      actions = ["glue:GetTable"]
      resources = concat(
        ["${local.glue_arn}:catalog", "${local.glue_arn}:database/clickstream"],
        [for table in statement.value : "${local.glue_arn}:table/clickstream/${table}"],
      )
    }
  }
  dynamic "statement" {
    for_each = try([setintersection(each.value.access.tables, each.value.access.write)], [])
    content {
      sid     = "CommitTables"
      actions = ["glue:UpdateTable"]
      resources = concat(
        ["${local.glue_arn}:catalog", "${local.glue_arn}:database/clickstream"],
        [for table in statement.value : "${local.glue_arn}:table/clickstream/${table}"],
      )
    }
  }
  dynamic "statement" {
    for_each = try([each.value.access.streams], [])
    content {
      sid       = "ReadStreams"
      actions   = local.read_stream
      resources = [for stream in statement.value : "${local.streams_arn}/${stream}"]
    }
  }
  dynamic "statement" {
    for_each = try([each.value.access.put], [])
    content {
      sid       = "PutRecords"
      actions   = ["kinesis:PutRecords"]
      resources = [for stream in statement.value : "${local.streams_arn}/${stream}"]
    }
  }
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:aws:logs:${local.here}:log-group:/aws-glue/jobs/*"]
  }
  statement {
    sid       = "Measure" # metrics have no ARN
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Glue"]
    }
  }
}

locals {
  sources = { # the streams whose records a function is invoked with: Settings.sources in deploy/settings.py
    for name, function in local.settings.functions : name => concat(
      try(function.streams, []),
      name == "land_raw" ? [for stream, archive in local.settings.archives : stream if archive.by == "function"] : [],
    )
  }
  read_stream = [
    "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
    "kinesis:ListShards",
  ]
}

data "aws_iam_policy_document" "function" {
  for_each = local.settings.functions
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"]
  }
  dynamic "statement" {
    for_each = length(local.sources[each.key]) > 0 ? [local.sources[each.key]] : []
    content {
      sid       = "ReadStreams"
      actions   = local.read_stream
      resources = [for stream in statement.value : "${local.streams_arn}/${stream}"]
    }
  }
  dynamic "statement" {
    for_each = length(local.sources[each.key]) > 0 ? ["used"] : []
    content {
      sid       = "SendToDeadLetterQueue"
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.dead_letter[each.key].arn]
    }
  }
  dynamic "statement" {
    for_each = try([each.value.access.write], [])
    content {
      sid       = "WriteObjects"
      actions   = ["s3:PutObject"]
      resources = [for folder in statement.value : "${local.lake}/${folder}/*"]
    }
  }
  dynamic "statement" {
    for_each = try([each.value.access.put], [])
    content {
      sid       = "PutRecords"
      actions   = ["kinesis:PutRecords"]
      resources = [for stream in statement.value : "${local.streams_arn}/${stream}"]
    }
  }
  dynamic "statement" {
    for_each = try([each.value.access.set], [])
    content {
      sid       = "SetItems"
      actions   = ["dynamodb:PutItem"]
      resources = [for table in statement.value : aws_dynamodb_table.live[table].arn]
    }
  }
  dynamic "statement" {
    for_each = can(each.value.access) || length(local.sources[each.key]) > 0 ? ["used"] : []
    content {
      sid       = "Decrypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [aws_kms_key.data.arn]
    }
  }
}

data "aws_iam_policy_document" "delivery" {
  for_each = local.deliveries
  statement {
    sid       = "ReadStream"
    actions   = local.read_stream
    resources = ["${local.streams_arn}/${each.value.stream}"]
  }
  statement {
    sid       = "Transform"
    actions   = ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"]
    resources = ["arn:aws:lambda:${local.here}:function:${each.value.function}:$LATEST"]
  }
  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.lake]
  }
  statement {
    sid       = "WriteObjects"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]
    resources = ["${local.lake}/${each.value.folder}/*", "${local.lake}/failed/${each.key}/*"]
  }
  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
  statement {
    sid       = "Log"
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.deliveries.arn}:log-stream:${each.key}"]
  }
}

data "aws_iam_policy_document" "simulate" {
  count = local.settings.pipeline.simulates ? 1 : 0
  statement {
    sid       = "Simulate"
    actions   = ["lambda:InvokeFunction"]
    resources = ["arn:aws:lambda:${local.here}:function:simulate"]
  }
}

data "aws_iam_policy_document" "pipeline" {
  source_policy_documents = data.aws_iam_policy_document.simulate[*].json
  statement {
    sid       = "ListArchivesAndPartitions"
    actions   = ["s3:ListBucket"]
    resources = [local.lake]
    condition {
      test     = "StringEquals"
      variable = "s3:prefix"
      values   = ["raw/clickstream/", "raw/events/", "clickstream/event_date="]
    }
  }
  statement {
    sid       = "RunJobs"
    actions   = ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
    resources = [for name in local.machine_jobs : "${local.glue_arn}:job/${name}"]
  }
  statement {
    sid     = "RegisterPartitions"
    actions = ["glue:GetTable", "glue:BatchCreatePartition"]
    resources = [
      "${local.glue_arn}:catalog", "${local.glue_arn}:database/clickstream",
      "${local.glue_arn}:table/clickstream/clickstream",
    ]
  }
  statement {
    sid       = "Publish"
    actions   = ["sns:Publish"]
    resources = [for topic in aws_sns_topic.topic : topic.arn]
  }
  statement {
    sid       = "Encrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
  statement {
    sid = "Log" # AWS takes no names for deliveries of logs
    actions = [
      "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}

locals {
  optimized = local.settings.jobs.maintain.access.tables # deploy/optimizers.py
}

# https://docs.aws.amazon.com/glue/latest/dg/optimization-prerequisites.html
data "aws_iam_policy_document" "table_optimizer" {
  statement {
    sid       = "FindObjects"
    actions   = ["s3:ListBucket"]
    resources = [local.lake]
    condition { # a HEAD has no prefix; without the right to list, S3 says 403 and not 404 of what does not exist
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = flatten([for table in local.optimized : [table, "${table}/*"]])
    }
  }
  statement {
    sid       = "RewriteObjects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = [for table in local.optimized : "${local.lake}/${table}/*"]
  }
  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
  statement {
    sid     = "CommitTables"
    actions = ["glue:GetTable", "glue:UpdateTable"]
    resources = concat(
      ["${local.glue_arn}:catalog", "${local.glue_arn}:database/clickstream"],
      [for table in local.optimized : "${local.glue_arn}:table/clickstream/${table}"],
    )
  }
  statement {
    sid     = "Log"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      for kind in ["compaction", "retention", "orphan-file-deletion"] :
      "arn:aws:logs:${local.here}:log-group:/aws-glue/iceberg-${kind}/logs:*"
    ]
  }
}

data "aws_iam_policy_document" "scheduler" {
  source_policy_documents = data.aws_iam_policy_document.simulate[*].json
  statement {
    sid       = "StartStateMachines"
    actions   = ["states:StartExecution"]
    resources = values(local.machine_arns)
  }
  statement {
    sid       = "StartJobs"
    actions   = ["glue:StartJobRun"]
    resources = [for name, job in local.settings.jobs : "${local.glue_arn}:job/${name}"]
  }
  statement {
    sid       = "SendToDeadLetterQueue"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letter["schedules"].arn]
  }
  statement {
    sid       = "Encrypt"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
}
