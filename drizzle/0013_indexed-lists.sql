CREATE INDEX "inbox_consumers_by_inbox" ON "inbox_consumers" USING btree ("project_id","inbox","id");--> statement-breakpoint
CREATE INDEX "inboxes_by_project" ON "inboxes" USING btree ("project_id","id") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "signing_secrets_by_end" ON "signing_secrets" USING btree ("project_id","expires_at");--> statement-breakpoint
CREATE INDEX "api_keys_by_project" ON "api_keys" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "connections_by_project" ON "connections" USING btree ("project_id","id") WHERE deleted_at is null;