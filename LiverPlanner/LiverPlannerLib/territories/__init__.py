"""Parts of the liver by the vessel that feeds or drains them: portal territories, hepatic-vein drainage areas."""
