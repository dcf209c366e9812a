CREATE TABLE "fan_outs" (
	"shard_id" smallint NOT NULL,
	"job_row_id" uuid NOT NULL,
	"event_type" text NOT NULL,
	"project_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"event_bit" smallint NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"position_id" uuid NOT NULL,
	"began_at_id" uuid NOT NULL,
	"ends_at_id" uuid,
	CONSTRAINT "fan_outs_shard_id_job_row_id_event_type_pk" PRIMARY KEY("shard_id","job_row_id","event_type")
);
--> statement-breakpoint
DROP INDEX "subscriptions_by_job";--> statement-breakpoint
CREATE INDEX "subscriptions_by_job" ON "subscriptions" USING btree ("shard_id","job_row_id","id");