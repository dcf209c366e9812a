CREATE TABLE "inbox_consumers" (
	"project_id" uuid NOT NULL,
	"inbox" text NOT NULL,
	"name" text NOT NULL,
	"id" uuid NOT NULL,
	"position" bigint DEFAULT 0 NOT NULL,
	"reader_id" uuid,
	"reader_node_id" uuid,
	"created_at" timestamp (3) with time zone NOT NULL,
	"active_at" timestamp (3) with time zone NOT NULL,
	"acked_at" timestamp (3) with time zone,
	CONSTRAINT "inbox_consumers_project_id_inbox_name_pk" PRIMARY KEY("project_id","inbox","name")
);
--> statement-breakpoint
CREATE TABLE "inboxes" (
	"project_id" uuid NOT NULL,
	"name" text NOT NULL,
	"id" uuid NOT NULL,
	"last_position" bigint DEFAULT 0 NOT NULL,
	"last_message_at" timestamp (3) with time zone,
	"acked_position" bigint DEFAULT 0 NOT NULL,
	"deleted_position" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "inboxes_project_id_name_pk" PRIMARY KEY("project_id","name")
);
--> statement-breakpoint
ALTER TABLE "project_usage" ADD COLUMN "inbox_unread_bytes" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "inbox_position" bigint;--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "read_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "inbox_consumers_by_activity" ON "inbox_consumers" USING btree ("active_at");--> statement-breakpoint
CREATE INDEX "inboxes_by_deletion" ON "inboxes" USING btree ("deleted_at");--> statement-breakpoint
CREATE INDEX "deliveries_by_inbox_position" ON "deliveries" USING btree ("project_id","callback_origin","inbox_position") WHERE inbox_position > 0;--> statement-breakpoint
CREATE INDEX "deliveries_without_inbox_position" ON "deliveries" USING btree ("project_id","callback_origin","id") WHERE inbox_position = 0;