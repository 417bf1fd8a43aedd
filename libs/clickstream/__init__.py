"""Product events and clicks -> tables that analysts query; the transforms that the Glue jobs share."""
