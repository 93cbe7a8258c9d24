"""What a training is made of: its settings, the loop, schedules, hooks. `queryinst_vis.runner` puts it together."""
