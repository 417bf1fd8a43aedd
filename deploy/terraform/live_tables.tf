resource "aws_dynamodb_table" "live" {
  for_each                    = local.settings.dynamodb
  name                        = each.key
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = local.live_keys[each.key][0]
  range_key                   = try(local.live_keys[each.key][1], null)
  deletion_protection_enabled = !local.account.disposable
  dynamic "attribute" {
    for_each = each.value.key
    content {
      name = attribute.value.name
      type = attribute.value.type
    }
  }
  ttl {
    attribute_name = each.value.expires
    enabled        = true
  }
  point_in_time_recovery { enabled = true }
  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }
}

locals {
  live_keys = { for name, table in local.settings.dynamodb : name => table.key[*].name }
}
