ALTER TABLE "operational_events" ADD COLUMN "settled_as" text;--> statement-breakpoint
ALTER TABLE "operational_events" ADD COLUMN "sent_to" text;--> statement-breakpoint
ALTER TABLE "operational_events" ADD COLUMN "http_status" smallint;--> statement-breakpoint
ALTER TABLE "operational_events" ADD COLUMN "last_error" text;--> statement-breakpoint
CREATE INDEX "operational_events_by_project" ON "operational_events" USING btree ("project_id","id");